// Hive Gateway before the subgraphs of a running edge: `node hive.mjs http://127.0.0.1:8080 SUBGRAPHS TRANSPORTS`.
// SUBGRAPHS and TRANSPORTS are JSON: the names of the subgraphs, and `transportEntries` as docs/graphql.md shows them.
// It answers at /graphql on a free loopback port, which it prints; subscriptions as server-sent events.
import { createServer } from "node:http";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";

const [edge, subgraphs, transports] = process.argv.slice(2);

async function read(name) {
  const url = `${edge}/subgraphs/${name}`, headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query: "{ _service { sdl } }" }) });
  return { name, url, typeDefs: parse((await answer.json()).data._service.sdl) };
}

const { supergraphSdl, errors } = composeServices(await Promise.all(JSON.parse(subgraphs).map(read)));
if (errors) throw new Error(errors.join("\n"));
const gateway = createGatewayRuntime({
  supergraph: supergraphSdl,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({ authorization: request.headers.get("authorization") ?? "" }),
  },
  transportEntries: JSON.parse(transports),
  logging: false,
});

const server = createServer(gateway);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
