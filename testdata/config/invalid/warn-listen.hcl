destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

bridge {
  listen  = ":8484"          # WARNING: :8484 is open to other machines
  inbound = "192.0.2.1:8485" # WARNING: 192.0.2.1:8485 is open to other machines
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
