// A device that somebody lets in from elsewhere while it keeps asking.
import * as client from "openid-client"
import { discovered, opened, refused, SCOPE, tell } from "./common.mjs"

const config = await discovered()
const begun = await client.initiateDeviceAuthorization(config, { scope: SCOPE })
const polling = client.pollDeviceAuthorizationGrant(config, begun)
await opened(begun.verification_uri_complete)
const tokens = await polling
const claims = tokens.claims()
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
const refusing = await client.initiateDeviceAuthorization(config, { scope: SCOPE })
await opened(refusing.verification_uri_complete)
tell({
  begun,
  claims,
  person: await client.fetchUserInfo(config, renewed.access_token, claims.sub),
  isAnother: renewed.refresh_token !== tokens.refresh_token,
  denied: await client.pollDeviceAuthorizationGrant(config, refusing).catch(refused),
})
