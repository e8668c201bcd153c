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
}
moved {
  from = "job.order"
  to = "job.orders"
}
moved {
  from = "job.order" # ERROR: job.order is moved already, at moved-twice.hcl:17
  to = "job.orders"
}
