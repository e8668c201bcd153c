destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

bridge {
  inbound = "127.0.0.1:8484" # WARNING: Remove inbound
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
