# SPDX-License-Identifier: Apache-2.0
# A gateway's configuration. Every key is described in docs/OPERATIONS.md; unknown keys are refused.
datacenter = "dc1"
# node_name          = "gw-1"           # default: the host's name
# advertise_addr_wan = "203.0.113.10"   # what peers dial; default: first address of the default route's interface

gateway {
  # interfaces = ["eth0"]               # where the guard is attached; none by default
}
