// A receiver as a customer writes it: verifies with the official standardwebhooks library and answers 2xx, or 401.
// HOOKBRIDGE_SECRET is its secret. Every FLAKY-th request (0: none) is answered 503 before it is looked at.
// Prints the port it listens on, then one JSON line per request.
const http = require("http")
const { Webhook } = require("standardwebhooks")

const webhook = new Webhook(process.env.HOOKBRIDGE_SECRET)
const flaky = Number(process.env.FLAKY || 0)
let requests = 0

const server = http.createServer((request, response) => {
  const chunks = []
  request.on("data", chunk => chunks.push(chunk))
  request.on("end", () => {
    const answer = (status, line) => {
      console.log(JSON.stringify({ id: request.headers["webhook-id"], status, ...line }))
      response.writeHead(status).end()
    }
    requests++
    if (flaky > 0 && requests % flaky === 0) {
      return answer(503, {})
    }
    try {
      answer(204, { event: webhook.verify(Buffer.concat(chunks), request.headers) })
    } catch (error) {
      answer(401, { error: String(error) })
    }
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
