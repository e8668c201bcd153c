# A bridge that runs as it stands, against the demo: a legacy API on port 9090 and a receiver on port 9191.
# "make demo" starts all three in one terminal. The language is described in docs/configuration.md.

bridge {
  store  = "sqlite:bridge.db" # what was seen, what is still to be delivered; beside this file
  listen = "127.0.0.1:8484"   # where webhooks come in, at /in/NAME
}

# A value to be set from outside: --var legacy_url=… or HOOKBRIDGE_VAR_legacy_url.
variable "legacy_url" {
  default = "http://127.0.0.1:9090"
}

# Where changes go. Every one is signed, kept until it is delivered, and tried again for three days.
destination "receiver" {
  url = "http://127.0.0.1:9191/hooks"

  # Anybody can read this one: it is the demo's. Make your own with "hookbridge secret new" and keep it out of the file.
  secrets = [env("HOOKBRIDGE_SECRET", "whsec_aG9va2JyaWRnZSBkZW1vIHNlY3JldCwgbm90IGtlcHQ=")]

  # Private addresses are refused unless they are named, so that a URL cannot reach into your network by accident.
  allow = ["127.0.0.0/8"]
}

# A job polls a source, compares what it finds with what it knew, and tells the difference.
job "orders" {
  schedule = "@every 2s"
  deliver  = [destination.receiver]

  source "http" {
    url = "${var.legacy_url}/orders"
    decode "json" {
      items = "data" # the list stands under "data" in each answer
    }
    pagination "page" {
      param      = "page"
      size_param = "per_page"
      size       = 50
      total      = "total" # the API says how many there are: checked
    }
  }

  key    = "id"           # what tells one record from another
  ignore = ["fetched_at"] # changes with every request and means nothing

  # Without this block the event carries the whole record, before and after.
  event {
    type = "order.${change.op}"
    data = {
      id     = change.key
      status = try(change.after.status, null)
      was    = try(change.before.status, null)
      fields = change.changed
    }
  }

  # Deletions are what a broken API fakes best. A record is gone when two complete polls in a row lack it, and a person
  # is asked first when that is true of too many at once: hookbridge approve orders
  deletes {
    confirm  = 2
    max      = "20%"
    max_rows = 50
  }
}

# The shortest job there is: an answer that is one list. The API sends an ETag, so a poll that finds nothing new costs
# one small request.
job "customers" {
  schedule = "@every 3s"
  deliver  = [destination.receiver]

  source "http" {
    url = "${var.legacy_url}/customers"
    decode "json" {
      items = "@this"
    }
  }

  key = "id"
}

# Where a system sends webhooks itself, the bridge listens to them at http://127.0.0.1:8484/in/shipments. A receiver takes
# what is signed, keeps it before it answers, and knows a delivery that comes twice.
receiver "shipments" {
  verify "standard" {
    secrets = [env("LEGACY_SECRET", "whsec_dGhlIGxlZ2FjeSBzeXN0ZW0gc2lnbnMgd2l0aCB0aGlz")]
  }
}

# Webhooks get lost, and nobody says so. So this job lives on webhooks while they come, and rests its schedule. After a
# silence one poll looks whether anything was missed, and only then it falls back to polling, until webhooks are back.
job "shipments" {
  schedule = "@every 2s"
  deliver  = [destination.receiver]
  key      = "id"
  version  = "revision" # only ever grows: an older copy never wins, in whatever order webhooks and polls come

  source "http" {
    url = "${var.legacy_url}/shipments"
    decode "json" {
      items = "@this"
    }
  }

  # Short, to be watched. Leave silence out, and it is learned from how often webhooks come at which hour of the week.
  watchdog {
    receiver      = receiver.shipments
    record        = event.body.shipment # the same record as a poll shows it
    min           = "1s"
    silence       = "4s" # how long none may come before a poll looks
    grace         = "2s" # how much later than a change its webhook may come
    recover_after = 1    # polls that must find nothing missed before webhooks are trusted
  }
}
