// A code with PKCE, who it is, the API, another token, what it is worth, and its end.
import * as client from "openid-client"
import { called, discovered, loggedIn, refused, tell } from "./common.mjs"

const config = await discovered()
const tokens = await loggedIn(config)
const claims = tokens.claims()
const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
const api = await called(config, tokens.access_token)
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
const worth = (token) => client.tokenIntrospection(config, token).catch(refused)
const before = { access: await worth(renewed.access_token), refresh: await worth(renewed.refresh_token) }
await client.tokenRevocation(config, renewed.refresh_token, { token_type_hint: "refresh_token" })
tell({
  claims,
  person,
  api,
  renewed: renewed.claims(),
  isAnother: renewed.refresh_token !== tokens.refresh_token,
  before,
  after: { access: await worth(renewed.access_token), refresh: await worth(renewed.refresh_token) },
  afterwards: {
    person: await client.fetchUserInfo(config, renewed.access_token, claims.sub).catch(refused),
    api: await called(config, renewed.access_token),
    refresh: await client.refreshTokenGrant(config, renewed.refresh_token).catch(refused),
  },
})
