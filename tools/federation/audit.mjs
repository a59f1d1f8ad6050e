// The audits of the package graphql-http on an endpoint: `node audit.mjs http://127.0.0.1:8080/graphql`.
// Prints one JSON object: how many audits passed, and those that did not, by their names, with the reason.
import { auditServer } from "graphql-http";

const results = await auditServer({ url: process.argv[2] });
const open = results.filter((result) => result.status !== "ok");
const findings = Object.fromEntries(open.map(({ name, status, reason }) => [name, `${status}: ${reason}`]));
console.log(JSON.stringify({ passed: results.length - open.length, findings }));
