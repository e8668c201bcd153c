bridge {
  store  = "sqlite:state/bridge.db"
  alerts = [destination.ops]
  retain {
    events  = "24h"
    backlog = 1000
  }
}

variable "legacy_url" {
  default = "http://127.0.0.1:9090"
}

locals {
  base    = "${var.legacy_url}/api"
  regions = ["eu", "us"]
}

destination "warehouse" {
  url         = "https://warehouse.example.com/hooks"
  secrets     = [env("SECRET"), env("SECRET_OLD", "")]
  format      = "raw"
  order       = "none"
  concurrency = 4
  rate        = "50/s"
  timeout     = "5s"
  headers     = { x-team = "erp", Authorization = "Bearer ${env("SECRET")}" }
  allow       = ["10.0.0.0/8", "192.168.1.1"]
  retry {
    schedule = ["0s", "5s"]
  }
}

destination "ops" {
  url       = "https://ops.example.com/alerts"
  signature = "none"
}

job "orders-all" {
  for_each = toset(local.regions)
  schedule = "CRON_TZ=Europe/Berlin 0 7 * * MON-FRI"
  timeout  = "1m"
  missed   = "skip"
  deliver  = [destination.warehouse]

  source "http" {
    url = "${local.base}/${each.key}/orders"
    decode "json" {
      items = "data.orders"
    }
  }

  key           = ["region", "id"]
  select        = ["id", "lines.*.price", "a\\.b"]
  unordered     = ["tags"]
  initial       = "emit"
  on_bad_record = "quarantine"

  deletes {
    confirm  = 3
    max      = "12.5%"
    max_rows = 0
  }

  event {
    when = change.op != "updated" || contains(change.changed, "/status")
    data = {
      region = each.key
      status = try(change.after.status, null)
    }
  }
}

moved {
  from = "job.order"
  to   = "job.orders-all/eu"
}
