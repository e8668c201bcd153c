// A SOAP service as the npm package soap serves it: orders in pages, SOAP 1.1 at /soap11 and 1.2 at /soap12, the same with
// WS-Security at /soap11/text, /soap11/digest and /soap12/digest, for the user and the password named first. A digest is
// good for one message only. GET /add?status=paid adds an order. Prints the port it listens on.
const http = require("http")
const soap = require("soap")
const { passwordDigest } = require("soap/lib/utils")

const [user, password] = process.argv.slice(2)
const orders = [1, 2, 3, 4, 5].map((n) => ({ id: `00${n}`, status: "open", note: n === 2 ? "R&D <urgent>" : "" }))
const nonces = new Set()

const wsdl = (path, binding) => `<?xml version="1.0" encoding="utf-8"?>
<definitions name="Erp" targetNamespace="urn:erp" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:erp"
    xmlns:soap="${binding}" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:erp" elementFormDefault="qualified">
    <xs:element name="ListOrders"><xs:complexType><xs:sequence>
      <xs:element name="status" type="xs:string" minOccurs="0"/><xs:element name="after" type="xs:string" minOccurs="0"/>
      <xs:element name="skip" type="xs:int" minOccurs="0"/><xs:element name="limit" type="xs:int" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="ListOrdersResponse"><xs:complexType><xs:sequence>
      <xs:element name="orders"><xs:complexType><xs:sequence>
        <xs:element name="order" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
          <xs:element name="id" type="xs:string"/><xs:element name="status" type="xs:string"/><xs:element name="note" type="xs:string"/>
        </xs:sequence></xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="nextToken" type="xs:string" minOccurs="0"/><xs:element name="more" type="xs:boolean"/>
      <xs:element name="total" type="xs:int"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:schema></types>
  <message name="ListOrdersRequest"><part name="parameters" element="tns:ListOrders"/></message>
  <message name="ListOrdersResponse"><part name="parameters" element="tns:ListOrdersResponse"/></message>
  <portType name="ErpPort"><operation name="ListOrders">
    <input message="tns:ListOrdersRequest"/><output message="tns:ListOrdersResponse"/>
  </operation></portType>
  <binding name="ErpBinding" type="tns:ErpPort"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="ListOrders"><soap:operation soapAction="urn:erp/ListOrders"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
  <service name="Erp"><port name="ErpPort" binding="tns:ErpBinding"><soap:address location="http://127.0.0.1${path}"/></port></service>
</definitions>`

// The token has every character that XML escapes.
const tokenOf = (n) => `after ${n} <&"'>`

function ListOrders(message) {
  const args = message || {} // null where the element is empty
  if (args.status === "fault") throw { Fault: { faultcode: "soap:Server", faultstring: "the ledger is closed & sealed" } }
  if (args.status === "fault12") {
    throw { Fault: { Code: { Value: "soap:Sender", Subcode: { Value: "rpc:BadArguments" } }, Reason: { Text: "no such status" }, statusCode: 500 } }
  }
  const all = orders.filter((order) => !args.status || order.status === args.status)
  const limit = args.limit ? Number(args.limit) : 2
  let from = args.skip ? Number(args.skip) : 0
  if (args.after) {
    from = all.findIndex((_, i) => tokenOf(i + 1) === args.after) + 1
    if (from === 0) throw { Fault: { faultcode: "soap:Client", faultstring: `unknown token ${args.after}`, statusCode: 500 } }
  }
  const more = from + limit < all.length
  return { orders: { order: all.slice(from, from + limit) }, ...(more && { nextToken: tokenOf(from + limit) }), more, total: all.length }
}

function authenticate(digest) {
  return (security) => {
    const token = security && security.UsernameToken
    if (!token || token.Username !== user) return false
    const value = token.Password.$value || token.Password
    if (!digest) return value === password
    const nonce = token.Nonce.$value || token.Nonce
    if (nonces.has(nonce) || Math.abs(Date.now() - Date.parse(token.Created)) > 300000) return false
    nonces.add(nonce)
    return value === passwordDigest(nonce, token.Created, password)
  }
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://127.0.0.1")
  if (url.pathname === "/add") orders.push({ id: `00${orders.length + 1}`, status: url.searchParams.get("status"), note: "" })
  response.statusCode = url.pathname === "/add" ? 204 : 404
  response.end()
})

server.listen(0, "127.0.0.1", () => {
  for (const [path, twelve, check] of [
    ["/soap11/text", false, authenticate(false)], ["/soap11/digest", false, authenticate(true)], ["/soap12/digest", true, authenticate(true)],
    ["/soap11", false, undefined], ["/soap12", true, undefined],
  ]) {
    const service = soap.listen(server, {
      path,
      services: { Erp: { ErpPort: { ListOrders } } },
      xml: wsdl(path, twelve ? "http://schemas.xmlsoap.org/wsdl/soap12/" : "http://schemas.xmlsoap.org/wsdl/soap/"),
      forceSoap12Headers: twelve,
    })
    if (check) service.authenticate = check
  }
  console.log(server.address().port)
})
