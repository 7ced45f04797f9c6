#!/bin/bash
# Runs distill.sbatch and cache.sbatch in a Slurm of this one machine, as root and without systemd:
#
#   deploy/slurm/test.sh PROGRAM FOLDER
#
# Debian: slurmctld slurmd slurm-client munge openmpi-bin mpich libpmix-dev (Slurm's
# plugin opens libpmix.so, which is in the last).
# PROGRAM is called like qwq-convert: "distill KIND". The job is started once for
# each way to speak with MPI; one task of it is killed, by the program itself. It
# must be requeued and end, and must give up after 3 times where it always fails.
# What the job does and what is compared is distill/mpi's TestSlurm, which calls this.
set -eu
PATH=$PATH:/usr/sbin
program=$1
dir=$2
here=$(cd "$(dirname "$0")" && pwd)
conf=$dir/slurm.conf
host=$(hostname -s)
pids=

stop() {
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
}
trap stop EXIT

mkdir -p "$dir/state" "$dir/spool" "$dir/munge"
cat > "$conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-26817}
SlurmdPort=$((${SLURM_TEST_PORT:-26817} + 1))
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
END
export SLURM_CONF=$conf

chown munge "$dir/munge"
chmod 755 "$dir" "$dir/munge"
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force \
	--socket="$dir/munge/socket" --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" &
pids="$pids $!"
sleep 1
slurmctld -D -i > "$dir/slurmctld.log" 2>&1 &
pids="$pids $!"
slurmd -D > "$dir/slurmd.log" 2>&1 &
pids="$pids $!"
for _ in $(seq 30); do
	sinfo -h -o %T 2>/dev/null | grep -q idle && break
	sleep 1
done
sinfo -h -o '%n %T %c CPUs'

export QWQ_CONVERT=$program
# state is a job's state and exit code, or nothing while it is being requeued.
state() { scontrol show job -o "$1" | sed -n 's/.* JobState=\([A-Z_]*\) .* ExitCode=\([0-9]*\):.*/\1 \2/p'; }

for kind in ${SLURM_TEST_KINDS:-pmix pmi2 fail}; do
	export QWQ_SRUN_MPI=pmix
	[ "$kind" = pmi2 ] && export QWQ_SRUN_MPI=pmi2
	id=$(sbatch --parsable --ntasks=2 --output="$dir/$kind.log" "$here/distill.sbatch" "$kind")
	# Not sbatch --wait, which may end with the first requeue.
	ended=0
	while [ "$ended" -lt 2 ]; do
		sleep 1
		case $(state "$id") in
		PENDING*) # Slurm holds what is requeued for two minutes; within the same second its node refuses it
			ended=0
			sleep 3
			scontrol update JobId="$id" StartTime=now 2>/dev/null || true
			;;
		COMPLETED* | FAILED* | CANCELLED* | TIMEOUT* | NODE_FAIL* | BOOT_FAIL*) ended=$((ended + 1)) ;;
		*) ended=0 ;;
		esac
	done
	echo "$kind: $(state "$id")"
done

# The array: the cache of the recipe SLURM_TEST_RECIPE, by the program SLURM_TEST_CACHE.
if [ -n "${SLURM_TEST_CACHE:-}" ]; then
	export QWQ_CONVERT=$SLURM_TEST_CACHE
	id=$(sbatch --parsable --array=0-3 --output="$dir/cache-%a.log" "$here/cache.sbatch" "$SLURM_TEST_RECIPE")
	gone=0
	while [ "$gone" -lt 3 ]; do
		sleep 2
		gone=$((gone + 1))
		[ -n "$(squeue -h -j "$id" 2>/dev/null)" ] && gone=0
		for task in $(squeue -h -r -t PENDING -j "$id" -o %i 2>/dev/null); do
			scontrol update JobId="$task" StartTime=now 2>/dev/null || true # as above
		done
	done
	scontrol show job -o "$id" | sed -n 's/.* ArrayTaskId=\([0-9]*\) .* JobState=\([A-Z_]*\) .*/cache \1: \2/p'
fi
