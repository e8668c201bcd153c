locals {
  a = local.b # ERROR: Each of these needs the next: a -> b -> c -> a
  b = "${local.c}"
  c = [local.a]
}
