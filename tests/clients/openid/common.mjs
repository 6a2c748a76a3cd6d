// What the flows share: the application of the environment, somebody at a browser, and the end.
import * as client from "openid-client"
import { createInterface } from "node:readline"

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUTHENTICATION } = process.env
export const { REDIRECT_URI, SCOPE } = process.env

const authentications = {
  client_secret_basic: () => client.ClientSecretBasic(CLIENT_SECRET),
  client_secret_post: () => client.ClientSecretPost(CLIENT_SECRET),
  none: () => client.None(),
}
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Read the server's description; signatures of ID tokens are verified although they come straight from it. */
export function discovered(options = {}, issuer = ISSUER) {
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks]
  return client.discovery(new URL(issuer), CLIENT_ID, {}, authentications[AUTHENTICATION](), { execute, ...options })
}

/** Let somebody open an address; return the one that they are sent to in the end. */
export async function opened(address) {
  console.log(JSON.stringify({ open: String(address) }))
  return new URL((await lines.next()).value)
}

/** Go through the whole flow of a code; return the tokens. */
export async function loggedIn(config, more = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  }
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  })
  return client.authorizationCodeGrant(config, await opened(address), checks)
}

/** Call the API with a token; return the status and the body. */
export async function called(config, token, path = "/api/v1/me/") {
  const address = new URL(path, ISSUER)
  try {
    const answer = await client.fetchProtectedResource(config, token, address, "GET")
    return { status: answer.status, body: await answer.json() }
  } catch (error) {
    return refused(error)
  }
}

/** Return why something was refused, as the client understands it; fail where it was not the server's answer. */
export function refused(error) {
  const isAnswer = "error" in error || error instanceof client.WWWAuthenticateChallengeError
  if (!isAnswer) throw error
  return { status: error.status, error: error.error ?? error.cause[0]?.parameters.error }
}

export function tell(result) {
  console.log(JSON.stringify({ result }))
  process.exit()
}
