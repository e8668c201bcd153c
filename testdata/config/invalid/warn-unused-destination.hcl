destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
destination "e" { # WARNING: No job delivers to "e", and it gets no alerts
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
