// A GraphQL server over HTTP with one connection, as the reference implementation executes it: orders, newest last, paged
// by Relay's rules. It wants a bearer token, the word named first. A mutation adds an order, which may be one whose
// customer cannot be told. Prints the port it listens on.
const http = require("http")
const { buildSchema } = require("graphql")
const { createHandler } = require("graphql-http/lib/use/http")

const token = process.argv[2]
const orders = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ id: `order-${n}`, status: "open", total: `${n}.50`, broken: false }))

const schema = buildSchema(`
  type Query { orders(first: Int!, after: String, status: String): OrderConnection! }
  type Mutation { add(status: String!, broken: Boolean!): ID! }
  type OrderConnection { edges: [OrderEdge!]!, pageInfo: PageInfo!, totalCount: Int! }
  type OrderEdge { cursor: String!, node: Order }
  type Order { id: ID!, status: String!, total: String!, customer: Customer }
  type Customer { name: String! }
  type PageInfo { hasNextPage: Boolean!, endCursor: String }
`)

const cursorOf = (order) => Buffer.from(order.id).toString("base64")

const rootValue = {
  orders({ first, after, status }) {
    const all = orders.filter((order) => !status || order.status === status)
    const from = after ? all.findIndex((order) => cursorOf(order) === after) + 1 : 0
    const page = all.slice(from, from + first)
    return {
      totalCount: all.length,
      edges: page.map((order) => ({
        cursor: cursorOf(order),
        node: {
          ...order,
          customer: () => {
            if (order.broken) throw new Error(`no customer for ${order.id}`)
            return { name: `Customer "${order.id}" & Söhne` }
          },
        },
      })),
      pageInfo: {
        hasNextPage: from + first < all.length,
        endCursor: page.length > 0 ? cursorOf(page[page.length - 1]) : null,
      },
    }
  },
  add({ status, broken }) {
    const id = `order-${orders.length + 1}`
    orders.push({ id, status, total: "0.00", broken })
    return id
  },
}

const handler = createHandler({
  schema,
  rootValue,
  context(request) {
    if (request.headers.authorization === `Bearer ${token}`) return {}
    const errors = [{ message: "who is asking?", extensions: { code: "UNAUTHENTICATED" } }]
    return [JSON.stringify({ errors }), { status: 401, statusText: "Unauthorized", headers: { "content-type": "application/json" } }]
  },
})

const server = http.createServer(handler)
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
