"""GraphQL over WebSockets, in the subprotocol graphql-transport-ws."""
