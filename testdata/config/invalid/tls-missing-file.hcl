destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

bridge {
  listen = ":8484"
  tls { # ERROR: cert_file and key_file cannot be used
    cert_file = "missing.pem"
    key_file  = "missing.key"
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
