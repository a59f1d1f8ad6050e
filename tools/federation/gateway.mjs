// A gateway before the subgraphs of a running edge: `node gateway.mjs http://127.0.0.1:8080 [subgraph …]`.
// Asks each subgraph for its SDL, composes them as Apollo does, and answers POST / with { query, variables } on a free
// loopback port, which it prints. What the subgraphs were asked is told with each answer, under `fetches`.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from "@apollo/gateway";
import { parse } from "graphql";

const [edge, ...names] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error: console.error };

/** Hands the person's token on, and remembers what was asked of whom. */
class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    if (context.authorization) request.http.headers.set("authorization", context.authorization);
    context.fetches?.push({ subgraph: this.name, query: request.query, variables: request.variables });
  }
}

const gateway = new ApolloGateway({
  supergraphSdl: new IntrospectAndCompose({
    subgraphs: names.map((name) => ({ name, url: `${edge}/subgraphs/${name}` })),
  }),
  buildService: (definition) => new Subgraph(definition),
  logger: quiet,
});
const { executor, schema } = await gateway.load();

async function answer(text, authorization) {
  const { query, variables } = JSON.parse(text);
  const context = { authorization, fetches: [] };
  const { data, errors } = await executor({
    request: { query, variables },
    document: parse(query),
    queryHash: createHash("sha256").update(query).digest("hex"),
    operationName: null,
    context,
    logger: quiet,
    schema,
    metrics: {},
    cache: new Map(),
  });
  return { data, errors, fetches: context.fetches };
}

const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const told = await answer(text, request.headers.authorization).catch((error) => ({ errors: [{ message: `${error}` }] }));
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(told));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
