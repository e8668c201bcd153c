bridge {
  listen          = "127.0.0.1:8484"
  inbound         = ":8485"
  public_url      = "https://bridge.example.com/"
  trusted_proxies = ["10.0.0.0/8"]
}

variable "legacy_url" {
  default = "https://legacy.example.com"
}

destination "orders" {
  url     = "https://warehouse.example.com/hooks"
  secrets = [env("SECRET")]
}

receiver "orders" {
  decode   = "json"
  max_body = "1MiB"
  rate     = "200/s"
  allow    = ["192.0.2.0/24", "2001:db8::1"]
  dedup    = "24h"
  deliver  = [destination.orders]
  verify "github" {
    secrets = [env("SECRET_OLD", ""), env("SECRET")]
  }
}

receiver "signals" {
  decode = "form"
  verify "hmac" {
    secrets    = [env("SECRET")]
    algorithm  = "sha512"
    key        = "base64"
    key_prefix = "whsec_"
    sign       = "{ts}.{url}.{body}"
    header     = "X-Signature"
    prefix     = "v1="
    separator  = ","
    encoding   = "base64"
    time {
      part      = "t="
      format    = "ms"
      tolerance = "1m"
    }
    id {
      header = "X-Delivery"
    }
  }
}

receiver "ids" {
  decode = "xml"
  verify "token" {
    header  = "X-Token"
    secrets = [env("SECRET")]
  }
}

job "orders" {
  for_each  = { eu = "Europe/Berlin", us = "America/New_York" }
  schedule  = "@every 30s"
  deliver   = [destination.orders]
  reconcile = "CRON_TZ=Europe/Berlin 0 3 * * *"

  source "http" {
    url = "${var.legacy_url}/api/${each.key}/orders"
  }

  key     = "id"
  version = "meta.updated_at"

  watchdog {
    receiver      = receiver.orders
    on_event      = "apply"
    when          = event.headers["X-Event"] != "ping" && event.body.region == each.key
    record        = event.body.order
    deleted       = event.headers["X-Event"] == "order.deleted"
    expects       = change.op != "deleted"
    silence       = "15m"
    min           = "1m"
    max           = "2h"
    audit         = "12h"
    expect        = "Mon-Fri 07:00-19:00 ${each.value}"
    grace         = "2m"
    recover_after = 3
  }
}

job "signals" {
  schedule = "@every 1m"
  deliver  = [destination.orders]
  key      = "id"

  source "http" {
    url = "${var.legacy_url}/api/customers"
  }

  watchdog {
    receiver = receiver.signals
    on_event = "poll"
    silence  = "auto"
  }
}

job "ids" {
  schedule = "@every 1m"
  deliver  = [destination.orders]
  key      = "id"

  source "http" {
    url = "${var.legacy_url}/api/products"
  }

  watchdog {
    receiver = receiver.ids
    on_event = "lookup"
  }

  lookup {
    url    = "${var.legacy_url}/api/products/${event.body.id}"
    record = "data"
  }
}
