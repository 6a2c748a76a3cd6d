// Reads both descriptions of the server, and refuses one that speaks of somebody else.
import { discovered, tell } from "./common.mjs"

const openid = await discovered()
const plain = await discovered({ algorithm: "oauth2" })
const elsewhere = await discovered({}, process.env.ISSUER.replace("127.0.0.1", "localhost")).catch((error) => error)
tell({
  openid: openid.serverMetadata(),
  plain: plain.serverMetadata(),
  isPkceKnown: openid.serverMetadata().supportsPKCE(),
  elsewhere: elsewhere.code,
})
