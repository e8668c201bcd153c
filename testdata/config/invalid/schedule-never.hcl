destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "0 0 30 2 *" # ERROR: it never fires
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
