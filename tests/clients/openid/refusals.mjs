// What goes wrong is told in the way that the client understands.
import * as client from "openid-client"
import { discovered, loggedIn, refused, tell } from "./common.mjs"

const config = await discovered()
const denied = await loggedIn(config, { prompt: "consent" }).catch(refused)
const silent = await loggedIn(config, { prompt: "none" }).catch(refused)
const plain = await loggedIn(config, { code_challenge_method: "plain" }).catch(refused)
const noCode = await client.refreshTokenGrant(config, "nobody's").catch(refused)
tell({ denied, silent, plain, noCode })
