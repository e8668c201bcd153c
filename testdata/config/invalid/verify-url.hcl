destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "square" { # ERROR: bridge { public_url = "https://…" }
    secrets = [env("SECRET")]
  }
}

receiver "axes" {
  verify "hmac" { # ERROR: bridge { public_url = "https://…" }
    header  = "X-Signature"
    sign    = "{url}{body}"
    secrets = [env("SECRET")]
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
