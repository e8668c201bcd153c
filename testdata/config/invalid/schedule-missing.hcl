destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" { # ERROR: The argument "schedule" is required in job "orders"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
}
