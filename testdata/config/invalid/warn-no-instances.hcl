destination "d" { # WARNING: No job delivers to "d"
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
  for_each = toset([]) # WARNING: for_each is empty, so the job "orders" runs nowhere
}
