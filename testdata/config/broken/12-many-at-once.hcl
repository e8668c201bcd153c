bridge {
  store = "mysql:bridge"
}

locals {
  a = local.b
  b = local.a
}

destination "d" {
  url    = "ftp://example.com"
  format = "cloudevent"
  rate   = "50 per second"
}

job "orders" {
  for_each = ["eu", "us"]
  schedule = "@every 1ms"
}

job "customers" {
  schedule = "@every 30s"
  timeout  = 30
  deliver  = ["d"]
  source "htpp" {}
}
