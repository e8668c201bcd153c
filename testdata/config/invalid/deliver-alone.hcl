destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver = destination.d # ERROR: "deliver" is a list: write [ … ] around the destination
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
