destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "github" {} # ERROR: secrets = [env("…")] is required
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
