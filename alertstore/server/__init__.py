"""The API on loopback: `alertstore serve` answers as the remote does, from a store (extra `serve`: starlette, uvicorn).

No rules live here: a request's shape is read by `wire`, each handler is a call or two of the store, and what the store refuses
goes out in the remote's envelope and codes. Where the contract is stricter than the remote, that is a 422 VALIDATION_ERROR.

**Threads.** All calls go to one store in one thread of its own, in turn. SQLite lets one write at a time in any case; in one
thread no request waits for a lock that another request holds, an edit is decided on what the edit before it left, and no two
requests can lose each other's. The price: a long read (metrics over millions of alerts) holds up those behind it. Receiving,
checking and sending go on meanwhile.

**Load.** Where another program holds the store for too long, or too many requests wait (`guard.MOST`), the answer is 503
SERVICE_UNAVAILABLE with Retry-After, and nothing was changed.

**Keys.** Clients send `Authorization: Bearer $ALERTSTORE_API_KEY`. Without a key the server does not start, unless told so
(`--no-key`), and then only on a loopback address and never for web pages (which send Origin). Only `/openapi.json` needs none.
Host must be the server's name, localhost or an address, or a page of another site could reach it (DNS rebinding).

What the remote has and the store does not answers as an unknown route does, 404 NOT_FOUND:

    /v1/api-keys, /v1/sources, /v1/settings/*         keys are the environment's; sources are packages
    /v1/alerts/{uuid}/enrich, /v1/enrichments,
    /v1/enrichment-providers, -field-extractions      no lookups over the network
    /v1/indicator-mappings                            sources map their own fields
    /v1/alerts/{uuid}/trigger-agents, dispatch-agent,
    /v1/agents, /v1/workflows, /v1/workflow-*,
    /v1/approvals, /v1/metrics/workflows              nothing is run on an alert's account
    DELETE /v1/detection-rules/{uuid}                 rules stay; is_active=false retires one
"""

from alertstore.server.running import serve

__all__ = ["serve"]
