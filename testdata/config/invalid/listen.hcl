destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

bridge {
  listen          = "8484"               # ERROR: An address is written
  inbound         = "127.0.0.1:99999"    # ERROR: An address is written
  public_url      = "bridge.example.com" # ERROR: It is an http or https URL
  trusted_proxies = ["ten"]              # ERROR: This is not a network
  tls {                                  # ERROR: The argument "key_file" is required
    cert_file = "me.pem"
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
