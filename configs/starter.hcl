# What hookbridge polls, and where it tells what has changed.
#
#   hookbridge validate     is this file right?
#   hookbridge plan         fetch and compare for real, change nothing
#   hookbridge run          the daemon

bridge {
  store = "sqlite:bridge.db" # beside this file
}

# Set it here, with --var legacy_url=… or with HOOKBRIDGE_VAR_legacy_url in the environment.
variable "legacy_url" {
  default = "https://legacy.example.com/api"
}

destination "receiver" {
  url = "https://receiver.example.com/hooks"

  # Each event is signed (Standard Webhooks). Make a secret with "hookbridge secret new", give it to the receiver, and to
  # the bridge in the environment. A second one in the list signs too: that is how secrets are changed without a gap.
  secrets = [env("HOOKBRIDGE_SECRET")]

  # allow = ["10.0.0.0/8"]   # private networks are refused unless they are named
}

job "orders" {
  schedule = "@every 30s" # or cron: "*/5 * * * *", "CRON_TZ=Europe/Berlin 0 7 * * MON-FRI"
  deliver  = [destination.receiver]

  source "http" {
    url = "${var.legacy_url}/orders"

    # auth "bearer" {
    #   token = env("LEGACY_TOKEN")
    # }

    decode "json" {
      items = "data" # where the list stands in the answer; "@this" if the answer is the list
    }

    # pagination "page" {
    #   param = "page"
    # }
  }

  key    = "id"           # what tells one record from another; several: ["region", "id"]
  ignore = ["updated_at"] # what changes without meaning anything

  # event {
  #   type = "order.${change.op}"
  #   when = change.op != "updated" || contains(change.changed, "/status")
  #   data = {
  #     id     = change.key
  #     status = try(change.after.status, null)
  #   }
  # }

  # If the source sends webhooks: take them, and poll only where they fall silent.
  # watchdog {
  #   receiver = receiver.orders
  #   record   = event.body.order # the same as in a poll; where there are only ids: on_event = "poll"
  # }
}

# receiver "orders" {            # POST https://…/in/orders
#   verify "github" {            # how the sender signs
#     secrets = [env("ORDERS_SECRET")]
#   }
# }
