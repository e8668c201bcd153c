destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "in" {
  allow = [] # ERROR: The list is empty
  verify "github" {
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
