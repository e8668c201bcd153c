destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    ulr = "https://legacy.example.com/orders" # ERROR: Did you mean "url"?
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
