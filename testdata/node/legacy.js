// The system that is polled: json-server as it comes, over the data of the file named first, kept in memory.
// Prints the port it listens on, then one JSON line per answer, so that a test sees how it was asked.
const fs = require("fs")
const jsonServer = require("json-server")

const server = jsonServer.create()
server.use((request, response, next) => {
  response.on("finish", () => {
    console.log(JSON.stringify({ method: request.method, url: request.originalUrl, status: response.statusCode }))
  })
  next()
})
server.use(jsonServer.defaults({ logger: false }))
server.use(jsonServer.router(JSON.parse(fs.readFileSync(process.argv[2], "utf8"))))

const listener = server.listen(0, "127.0.0.1", () => console.log(listener.address().port))
