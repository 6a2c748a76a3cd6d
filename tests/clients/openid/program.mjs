// A program that acts for itself.
import * as client from "openid-client"
import { called, discovered, refused, SCOPE, tell } from "./common.mjs"

const config = await discovered()
const tokens = await client.clientCredentialsGrant(config, { scope: SCOPE })
const api = await called(config, tokens.access_token, "/api/v1/crm/deals/")
const before = await client.tokenIntrospection(config, tokens.access_token)
await client.tokenRevocation(config, tokens.access_token, { token_type_hint: "access_token" })
tell({
  scope: tokens.scope,
  api,
  before,
  after: await client.tokenIntrospection(config, tokens.access_token),
  afterwards: await called(config, tokens.access_token, "/api/v1/crm/deals/"),
  tooMuch: await client.clientCredentialsGrant(config, { scope: "all" }).catch(refused),
})
