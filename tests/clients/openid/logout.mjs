// Somebody is logged out here too, and comes back; afterwards nobody is logged in.
import * as client from "openid-client"
import { discovered, loggedIn, opened, refused, tell } from "./common.mjs"

const config = await discovered()
const tokens = await loggedIn(config)
const state = client.randomState()
const address = client.buildEndSessionUrl(config, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: process.env.AFTER_LOGOUT,
  state,
})
const back = await opened(address)
tell({
  back: back.origin + back.pathname,
  isState: back.searchParams.get("state") === state,
  silent: await loggedIn(config, { prompt: "none" }).catch(refused),
})
