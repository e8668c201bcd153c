destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

bridge {
  public_url = "https://bridge.example.com/?a=1" # ERROR: it has no user, no ? and no #
}
job "orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  key      = "id"
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
