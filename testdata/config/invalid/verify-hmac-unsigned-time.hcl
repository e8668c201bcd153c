destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "hmac" { # ERROR: Cannot verify webhooks: the time is not signed
    header  = "X-Signature"
    secrets = [env("SECRET")]
    time {
      header = "X-Time"
    }
  }
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
