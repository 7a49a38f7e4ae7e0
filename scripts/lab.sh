#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two clusters in network namespaces, for trying things out and for the tests. As root.
#
#   app-east ── lan ── gw-east ── wan ── gw-west ── lan ── app-west
#                         └─ mgmt ─ this machine ─ mgmt ─┘
#
# Each host has a network namespace (pw-$PW_LAB-HOST, visible to `ip netns`) and a mount namespace of its own, kept by a
# holder process: own bpffs at /sys/fs/bpf, own /var/lib/peerway, own /run. Several labs run side by side, told apart by PW_LAB.
set -euo pipefail

LAB=${PW_LAB:-lab}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BIN=${PW_BIN:-$ROOT/build/peerway}
BASE=/run/peerway-lab
STATE=$BASE/$LAB
HOSTS=(gw-east gw-west app-east app-west wan)
CONF_DIR=/run/peerway.d # inside a host
READY_SECONDS=${PW_LAB_READY_SECONDS:-15}

EAST_WAN=198.51.100.2 EAST_WAN_ROUTER=198.51.100.1 EAST_LAN=10.1.1.1 EAST_APP=10.1.1.2
WEST_WAN=203.0.113.2 WEST_WAN_ROUTER=203.0.113.1 WEST_LAN=10.2.1.1 WEST_APP=10.2.1.2

usage() {
	cat <<-'TEXT'
		usage: lab.sh COMMAND
		  up [--only east|west]     fresh clusters; returns when their APIs answer. PW_LAB_CONFIG=FILE: further configuration for both
		  down                      takes everything away; may be called at any time, twice
		  status                    what runs
		  env                       shell assignments: EAST_API, WEST_API, EAST_DNS, EAST_WAN, EAST_LAN, EAST_APP … and WEST_*
		  exec HOST CMD...          runs CMD on a host, with peerway on PATH
		  shell HOST                opens a shell there
		  logs HOST                 prints the log of a gateway's agent
		  cut | cut --down | heal   the link between the clusters: drop silently, take down, restore
		  start HOST | stop HOST [SIGNAL] | restart HOST | pid HOST      the agent of a gateway
		  config HOST NAME          reads HCL, merged into the agent's configuration at its next start; empty input removes it
		hosts: gw-east gw-west app-east app-west wan; PW_LAB names the lab (default: lab); PW_BIN: the peerway to run
	TEXT
}

die() {
	echo "lab.sh: $*" >&2
	exit 1
}

netns() { echo "pw-$LAB-$1"; }
api_of() { case $1 in gw-east) echo "$EAST_MGMT" ;; gw-west) echo "$WEST_MGMT" ;; esac; }

need_host() {
	local h
	for h in "${HOSTS[@]}"; do [ "$h" = "${1:-}" ] && return 0; done
	die "no host '${1:-}'; there are ${HOSTS[*]}"
}

need_gateway() {
	case ${1:-} in
	gw-east | gw-west) ;;
	*) die "'${1:-}' is no gateway; there are gw-east and gw-west" ;;
	esac
}

# A process number from a file, if that process is alive and belongs to the host's network namespace: numbers are reused.
pid_in() {
	local file=$1 host=$2 pid
	pid=$(cat "$file" 2>/dev/null) || return 1
	[ -n "$pid" ] || return 1
	[ "$(stat -Lc %i "/proc/$pid/ns/net" 2>/dev/null)" = "$(stat -Lc %i "/run/netns/$(netns "$host")" 2>/dev/null)" ] || return 1
	echo "$pid"
}
holder() { pid_in "$STATE/$1.holder" "$1" || die "lab '$LAB' is not up (no $1); run: lab.sh up"; }
agent() { pid_in "$STATE/$1.pid" "$1"; }

# enter HOST CMD...: replaces this shell. The working directory is kept where the host has it too.
enter() {
	local host=$1 pid
	shift
	pid=$(holder "$host")
	# shellcheck disable=SC2016
	exec nsenter --net="/run/netns/$(netns "$host")" --mount="/proc/$pid/ns/mnt" -- \
		sh -c 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"' sh "$PWD" \
		env "PATH=$(dirname "$BIN"):$ROOT/build/harness:$PATH" "PW_LAB=$LAB" "PW_HOST=$host" "$@"
}
run() { (enter "$@"); }

# wait_until SECONDS CMD...: CMD is asked again until it says yes.
wait_until() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

# --- up ---------------------------------------------------------------------------------------------------------------

# Management addresses are the only ones in the machine's own namespace: 10.(200..231).(0..255).0/29, from the lab's name,
# the next free ones if another lab or the machine itself uses them.
pick_management() {
	local sum slot i
	sum=$(cksum <<<"$LAB" | cut -d' ' -f1)
	for i in $(seq 0 255); do
		slot=$(((sum + i) % 8192))
		MGMT_NET=10.$((200 + slot / 256)).$((slot % 256))
		MGMT_LINK=$(printf 'pwm%04x' "$slot")
		ip -o addr show | grep -qF " $MGMT_NET." && continue
		ip -o link show | grep -qF ": ${MGMT_LINK}" && continue
		EAST_MGMT=$MGMT_NET.2 WEST_MGMT=$MGMT_NET.6
		return 0
	done
	die "no free management network"
}

save_env() {
	cat >"$STATE/env" <<-TEXT
		MGMT_NET=$MGMT_NET
		MGMT_LINK=$MGMT_LINK
		EAST_MGMT=$EAST_MGMT
		WEST_MGMT=$WEST_MGMT
	TEXT
}

load_env() {
	[ -f "$STATE/env" ] || die "lab '$LAB' is not up; run: lab.sh up"
	# shellcheck disable=SC1091
	. "$STATE/env"
}

make_networks() {
	local h gwe gww appe appw wan
	gwe=$(netns gw-east) gww=$(netns gw-west) appe=$(netns app-east) appw=$(netns app-west) wan=$(netns wan)
	for h in "${HOSTS[@]}"; do ip netns add "$(netns "$h")"; done
	ip -batch - <<-TEXT
		link add wan0 netns $gwe type veth peer name east netns $wan
		link add wan0 netns $gww type veth peer name west netns $wan
		link add lan0 netns $gwe type veth peer name lan0 netns $appe
		link add lan0 netns $gww type veth peer name lan0 netns $appw
		link add mgmt0 netns $gwe type veth peer name ${MGMT_LINK}e
		link add mgmt0 netns $gww type veth peer name ${MGMT_LINK}w
		addr add $MGMT_NET.1/30 dev ${MGMT_LINK}e
		addr add $MGMT_NET.5/30 dev ${MGMT_LINK}w
		link set ${MGMT_LINK}e up
		link set ${MGMT_LINK}w up
	TEXT
	side_networks "$gwe" "$appe" "$EAST_WAN" "$EAST_WAN_ROUTER" "$EAST_LAN" "$EAST_APP" "$EAST_MGMT"
	side_networks "$gww" "$appw" "$WEST_WAN" "$WEST_WAN_ROUTER" "$WEST_LAN" "$WEST_APP" "$WEST_MGMT"
	ip -n "$wan" -batch - <<-TEXT
		link set lo up
		addr add $EAST_WAN_ROUTER/24 dev east
		addr add $WEST_WAN_ROUTER/24 dev west
		link set east up
		link set west up
	TEXT
	nsenter --net="/run/netns/$wan" -- sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

side_networks() {
	local gw=$1 app=$2 wan_addr=$3 router=$4 lan_addr=$5 app_addr=$6 mgmt=$7
	ip -n "$gw" -batch - <<-TEXT
		link set lo up
		addr add $wan_addr/24 dev wan0
		addr add $lan_addr/24 dev lan0
		addr add $mgmt/30 dev mgmt0
		link set wan0 up
		link set lan0 up
		link set mgmt0 up
		route add default via $router
	TEXT
	ip -n "$app" -batch - <<-TEXT
		link set lo up
		addr add $app_addr/24 dev lan0
		link set lan0 up
	TEXT
}

# The holder keeps the mount namespace alive; its last step is to say that all is mounted.
start_holder() {
	local host=$1
	# shellcheck disable=SC2016
	setsid nsenter --net="/run/netns/$(netns "$host")" -- unshare --mount --propagation private -- bash -c '
		set -e
		mount -t bpf bpf /sys/fs/bpf
		mount -t tmpfs -o mode=0755 tmpfs /var/lib/peerway
		exec 3>>"$1"
		# Copies of other labs'"'"' namespace files would keep those alive.
		umount -R -l /run/netns 2>/dev/null || true
		mount -t tmpfs -o mode=0755 tmpfs /run
		mkdir -p /run/lock "$2"
		echo ready >&3
		exec 3>&-
		exec sleep infinity' holder "$STATE/$host.ready" "$CONF_DIR" </dev/null >"$STATE/$host.holder.log" 2>&1 &
	echo $! >"$STATE/$host.holder"
	disown # how it ends is no news: down kills it
}

holder_ready() { [ -s "$STATE/$1.ready" ]; }

start_holders() {
	local h
	[ -d /var/lib/peerway ] || { mkdir /var/lib/peerway && : >"$BASE/made-var"; }
	for h in "${HOSTS[@]}"; do start_holder "$h"; done
	for h in "${HOSTS[@]}"; do
		wait_until 5 holder_ready "$h" || die "$h has no mount namespace: $(cat "$STATE/$h.holder.log")"
	done
}

write_config() {
	local side=$1 wan=$2 mgmt=$3
	run "gw-$side" sh -c "umask 077; cat >$CONF_DIR/00-lab.hcl" <<-TEXT
		datacenter         = "dc-$side"
		node_name          = "gw-$side"
		data_dir           = "/var/lib/peerway"
		bpf_dir            = "/sys/fs/bpf/peerway"
		client_addr        = "127.0.0.1 $mgmt"
		advertise_addr_wan = "$wan"
		log_level          = "debug"
		gateway {
		  interfaces = ["wan0"]
		  xdp        = "native"
		}
	TEXT
	if [ -n "${PW_LAB_CONFIG:-}" ]; then
		run "gw-$side" sh -c "umask 077; cat >$CONF_DIR/50-config.hcl" <"$PW_LAB_CONFIG"
	fi
}

start_agent() {
	local host=$1
	agent "$host" >/dev/null && die "the agent on $host runs already"
	[ -x "$BIN" ] || die "$BIN is missing: run make, or set PW_BIN"
	rm -f "$STATE/$host.pid" "$STATE/$host.exit"
	# The shell in between waits for the agent and notes how it ended.
	# shellcheck disable=SC2016
	setsid bash -c 'state=$1; shift; "$@" & echo $! >"$state.pid"; wait $!; echo $? >"$state.exit.new" && mv "$state.exit.new" "$state.exit"' \
		agent "$STATE/$host" "$0" exec "$host" peerway agent -config-dir "$CONF_DIR" </dev/null >>"$STATE/$host.log" 2>&1 &
	wait_until 5 test -s "$STATE/$host.pid" || die "the agent on $host does not start"
}

# Says yes when the API answers; gives up at once when the agent is gone.
api_answers() {
	kill -0 "$(cat "$STATE/$1.pid")" 2>/dev/null || {
		tail -n 20 "$STATE/$1.log" >&2
		die "the agent on $1 has ended"
	}
	curl -sf -o /dev/null --max-time 1 "http://$(api_of "$1"):8500/v1/status/leader"
}

wait_agent() {
	wait_until "$READY_SECONDS" api_answers "$1" || {
		tail -n 20 "$STATE/$1.log" >&2
		die "the API of $1 does not answer after $READY_SECONDS s"
	}
}

cmd_up() {
	local only='' side sides=(east west)
	while [ $# -gt 0 ]; do
		case $1 in
		--only)
			only=${2:-}
			case $only in east | west) ;; *) die "--only takes east or west" ;; esac
			shift 2
			;;
		--acl | --acl=*) die "--acl: access control lists are not built yet" ;;
		--etcd) die "--etcd: the etcd store is not built yet" ;;
		*) die "up: unknown option $1" ;;
		esac
	done
	[ "$(id -u)" -eq 0 ] || die "must run as root"
	take_down
	mkdir -p "$STATE"
	# What a failed start has made goes away again; its logs were printed.
	trap 'take_down' EXIT
	pick_management
	save_env
	make_networks
	start_holders
	[ -n "$only" ] && sides=("$only")
	write_config east "$EAST_WAN" "$EAST_MGMT"
	write_config west "$WEST_WAN" "$WEST_MGMT"
	for side in "${sides[@]}"; do start_agent "gw-$side"; done
	for side in "${sides[@]}"; do wait_agent "gw-$side"; done
	trap - EXIT
	echo "lab '$LAB' is up: EAST_API=http://$EAST_MGMT:8500 WEST_API=http://$WEST_MGMT:8500"
}

# --- down -------------------------------------------------------------------------------------------------------------

# Everything that runs in a host's network namespace is the lab's: the holder, the agent, what exec started.
end_processes() {
	local pids
	pids=$(ip netns pids "$1" 2>/dev/null) || return 0
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
}
is_empty() { [ -z "$(ip netns pids "$1" 2>/dev/null)" ]; }

take_down() {
	local h ns MGMT_LINK=''
	for h in "${HOSTS[@]}"; do end_processes "$(netns "$h")"; done
	for h in "${HOSTS[@]}"; do
		ns=$(netns "$h")
		[ -e "/run/netns/$ns" ] || continue
		wait_until 5 is_empty "$ns" || echo "lab.sh: processes in $ns do not end: $(ip netns pids "$ns")" >&2
		ip netns del "$ns" 2>/dev/null || true
	done
	if [ -f "$STATE/env" ]; then
		# shellcheck disable=SC1091
		. "$STATE/env"
		# The machine's ends go with the namespaces, a moment later; not to wait for that:
		ip link del "${MGMT_LINK}e" 2>/dev/null || true
		ip link del "${MGMT_LINK}w" 2>/dev/null || true
	fi
	rm -rf "$STATE"
	if [ -e "$BASE/made-var" ] && [ "$(find "$BASE" -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 0 ]; then
		rm -f "$BASE/made-var"
		rmdir /var/lib/peerway 2>/dev/null || true
	fi
	rmdir "$BASE" 2>/dev/null || true
}

# --- the rest ---------------------------------------------------------------------------------------------------------

cmd_status() {
	local h pid
	load_env
	for h in "${HOSTS[@]}"; do
		pid=$(pid_in "$STATE/$h.holder" "$h") || pid=gone
		printf '%-9s netns %s, holder %s' "$h" "$(netns "$h")" "$pid"
		case $h in
		gw-*)
			pid=$(agent "$h") || pid=none
			printf ', agent %s, API http://%s:8500 %s' "$pid" "$(api_of "$h")" \
				"$(curl -sf -o /dev/null --max-time 1 "http://$(api_of "$h"):8500/v1/status/leader" && echo answers || echo silent)"
			;;
		esac
		echo
	done
}

cmd_env() {
	load_env
	cat <<-TEXT
		EAST_API=http://$EAST_MGMT:8500
		WEST_API=http://$WEST_MGMT:8500
		EAST_DNS=$EAST_MGMT:8600
		WEST_DNS=$WEST_MGMT:8600
		EAST_WAN=$EAST_WAN
		WEST_WAN=$WEST_WAN
		EAST_LAN=$EAST_LAN
		WEST_LAN=$WEST_LAN
		EAST_APP=$EAST_APP
		WEST_APP=$WEST_APP
	TEXT
}

cmd_cut() {
	case ${1:-} in
	'')
		run wan nft -f - <<-'TEXT'
			table inet lab_cut
			delete table inet lab_cut
			table inet lab_cut {
				chain forward { type filter hook forward priority 0; policy drop; }
			}
		TEXT
		;;
	--down)
		ip -n "$(netns wan)" link set east down
		ip -n "$(netns wan)" link set west down
		;;
	*) die "cut: unknown option $1" ;;
	esac
}

cmd_heal() {
	printf 'table inet lab_cut\ndelete table inet lab_cut\n' | run wan nft -f -
	ip -n "$(netns wan)" link set east up
	ip -n "$(netns wan)" link set west up
}

cmd_stop() {
	local host=$1 signal=${2:-TERM} pid
	pid=$(agent "$host") || die "no agent runs on $host"
	kill "-$signal" "$pid"
	wait_until "${PW_LAB_STOP_SECONDS:-40}" test -s "$STATE/$host.exit" || die "the agent on $host does not end"
	echo "agent on $host ended with status $(cat "$STATE/$host.exit")"
}

cmd_config() {
	local host=$1 name=${2:-}
	[[ $name =~ ^[a-z0-9-]+$ ]] || die "config: a name of letters, digits and - is needed"
	run "$host" sh -c "umask 077; cat >$CONF_DIR/60-$name.hcl; [ -s $CONF_DIR/60-$name.hcl ] || rm -f $CONF_DIR/60-$name.hcl"
}

main() {
	local command=${1:-help}
	[[ $LAB =~ ^[a-z0-9][a-z0-9-]{0,15}$ ]] || die "PW_LAB must be at most 16 of a-z, 0-9 and -"
	[ $# -eq 0 ] || shift
	case $command in
	up | down | status | env | cut | heal) ;;
	exec | shell) need_host "${1:-}" ;;
	logs | start | stop | restart | pid | config) need_gateway "${1:-}" ;;
	-h | --help | help) usage && exit 0 ;;
	*) usage >&2 && exit 1 ;;
	esac
	case $command in
	up) cmd_up "$@" ;;
	down) take_down ;;
	status) cmd_status ;;
	env) cmd_env ;;
	exec)
		[ $# -gt 1 ] || die "exec: a command is needed"
		enter "$@"
		;;
	shell) enter "$1" bash -i ;;
	logs) cat "$STATE/$1.log" ;;
	cut) cmd_cut "$@" ;;
	heal) cmd_heal ;;
	start)
		load_env
		start_agent "$1"
		wait_agent "$1"
		;;
	stop) cmd_stop "$@" ;;
	restart)
		load_env
		agent "$1" >/dev/null && cmd_stop "$1"
		start_agent "$1"
		wait_agent "$1"
		;;
	pid) agent "$1" || die "no agent runs on $1" ;;
	config) cmd_config "$@" ;;
	esac
}
main "$@"
