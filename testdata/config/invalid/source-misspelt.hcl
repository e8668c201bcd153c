destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  sorce "http" { # ERROR: Did you mean "source"?
    url = "https://legacy.example.com/orders"
  }
  key = "id"
}
