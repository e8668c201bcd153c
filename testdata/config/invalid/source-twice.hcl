destination "d" {
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
  source "file" { # ERROR: Job "orders" has one source block, and it stands at source-twice.hcl:8
  }
}
