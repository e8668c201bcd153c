destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  verify "github" {
    secrets = [env("SECRET")]
  }
}

job "orders" {
  schedule  = "@every 30s"
  deliver   = [destination.d]
  key       = "id"
  reconcile = "daily" # ERROR: "daily" cannot be a schedule
  source "http" {
    url = "https://legacy.example.com/orders"
  }
}
