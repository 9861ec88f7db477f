#!/bin/bash
# Sourced: Slurm's daemons on this machine alone, in a folder of their own. Needs root and Debian's slurm-wlm.
#   slurm_here_missing          prints why they cannot run here, if they cannot
#   slurm_here_start FOLDER     starts them; exports SLURM_CONF
#   slurm_here_stop FOLDER      ends them and all of their jobs

slurm_here_missing() {
  for command in sbatch squeue scancel scontrol slurmctld slurmd munged; do
    command -v "$command" >/dev/null || { echo "$command is missing (tools/install-dependencies --slurm)"; return; }
  done
  [ "$(id -u)" -eq 0 ] || echo "slurmd needs root"
}

slurm_here_start() {
  mkdir -m 755 "$1" "$1/munge" "$1/state" "$1/spool"
  head -c 128 /dev/urandom >"$1/munge/key"
  chmod 600 "$1/munge/key"
  munged --key-file="$1/munge/key" --socket="$1/munge/socket" --pid-file="$1/munge/pid" --log-file="$1/munge/log" \
    --seed-file="$1/munge/seed" || return
  host=$(hostname -s)
  port=$((20000 + $$ % 20000 * 2))
  # A task that is requeued waits until the credential of its last start has expired.
  cat >"$1/slurm.conf" <<END
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$1/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd.pid
SlurmctldLogFile=$1/slurmctld.log
SlurmdLogFile=$1/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
END
  export SLURM_CONF="$1/slurm.conf"
  slurmctld && slurmd -N "$host" || return
  for _ in $(seq 20); do
    timeout 2 sinfo --noheader --states=idle 2>/dev/null | grep -q idle && return
    sleep 0.2
  done
  echo "Slurm does not start:"
  tail -n 5 "$1/slurmctld.log"
  tail -n 5 "$1/slurmd.log"
  return 1
}

slurm_here_stop() {
  [ -e "$1/slurm.conf" ] || return 0
  timeout 5 scancel --full --signal=KILL --user=root 2>/dev/null || true
  for daemon in slurmd slurmctld munge/; do
    if pid=$(cat "$1/$daemon"*pid 2>/dev/null); then
      kill "$pid" 2>/dev/null || true
      for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
      done
    fi
  done
}
