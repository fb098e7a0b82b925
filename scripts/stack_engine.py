"""A Docker Engine of our own in a network of our own, and images for it where no registry can be reached. Shared by real_stack.py.

An image that the machine's own Docker has is taken from there; of the others stand-ins are made: debian:bookworm-slim by debootstrap,
Prometheus and its kin out of this machine's Debian packages (older than the tags say), the exporter out of a binary that is built already
and the last stage of exporter/Dockerfile.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from exporter import ROOT

BASE = "debian:bookworm-slim"
# Image: program of Debian, its name in the image, what the real one's Dockerfile sets.
DEBIAN = {
    "prom/prometheus": ("prometheus", "prometheus", "RUN mkdir -p /prometheus && chown 65534:65534 /prometheus\nVOLUME /prometheus\nWORKDIR /prometheus"),
    "prom/alertmanager": ("prometheus-alertmanager", "alertmanager", "RUN mkdir -p /alertmanager && chown 65534:65534 /alertmanager\nVOLUME /alertmanager\nWORKDIR /alertmanager"),
    "prom/node-exporter": ("prometheus-node-exporter", "node_exporter", ""),
}


def fail(problem):
    sys.exit(f"FAILED: {problem}")


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        fail(f"{' '.join(map(str, command))}: {(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout


def program(name):
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or fail(f"{name} is not installed: scripts/set_up.sh test")


def enter_own_network():
    """Runs this script again where there is no network but one of its own, which ends with it: no rule of the machine's is touched."""
    if os.environ.get("HOSTWARDEN_OWN_NETWORK") != "yes":
        if os.getuid() != 0:
            fail("dockerd needs root: run this as root")
        # What is downloaded, is so before.
        if not is_on_machine(BASE):
            base_archive()
        os.environ["HOSTWARDEN_OWN_NETWORK"] = "yes"
        os.execv(program("unshare"), ["unshare", "--net", "--mount", "--", sys.executable, *sys.argv])
    run(program("ip"), "link", "set", "lo", "up")


class Engine:
    """A Docker Engine: own data, socket and pid file below `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {name: value for name, value in os.environ.items() if not re.match(r"DOCKER_|COMPOSE_|HOSTWARDEN_|GRAFANA_", name)}
        self.environment |= {"DOCKER_HOST": f"unix://{self.folder}/docker.sock", "DOCKER_CONFIG": f"{self.folder}/client", "DOCKER_BUILDKIT": "0"}
        self.process = None

    def start(self):
        log = open(self.folder / "dockerd.log", "ab")
        command = [program("dockerd"), "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        command += ["--pidfile", f"{self.folder}/docker.pid", "--host", f"unix://{self.folder}/docker.sock"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        deadline = time.monotonic() + 60
        while subprocess.run([program("docker"), "version"], env=self.environment, capture_output=True).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "dockerd.log").read_text(errors="replace").splitlines()[-8:]
                fail("\n".join(["dockerd cannot run here; its last words:", *tail]))
            time.sleep(0.2)

    def stop(self):
        """As at a shutdown of the machine: its containers end with it, and are its to start again."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def docker(self, *arguments, **options):
        return run(program("docker"), *arguments, env=self.environment, **options)

    def pid_of(self, container):
        return int(self.docker("inspect", "--format", "{{.State.Pid}}", container))

    def end(self):
        """Removes everything: containers, the daemon, its containerd, and what it left mounted."""
        if self.process is not None and self.process.poll() is None:
            if ids := self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", "--volumes", *ids)
        self.stop()
        pid = self.folder / "exec/containerd/containerd.pid"
        if pid.is_file() and pid.read_text().strip().isdigit():
            try:
                os.kill(int(pid.read_text()), signal.SIGTERM)
            except ProcessLookupError:
                pass
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True)

    # Images.

    def provide(self, binary, images):
        """Sees to the images of the compose file: `images` without the exporter's, which is made of `binary`."""
        images = [BASE, *images]
        there = self.take_from_machine(images)
        for image in images:
            if image not in there:
                self.make(image)
        self.make_exporter(binary)

    def take_from_machine(self, images):
        """Those that the Docker of this machine has, if there is one; all at once, since they share layers."""
        docker = program("docker")
        there = [image for image in images if is_on_machine(image)]
        if there:
            save = subprocess.Popen([docker, "save", *there], stdout=subprocess.PIPE)
            self.docker("load", stdin=save.stdout)
            save.wait() == 0 or fail(f"docker save {there}")
        return there

    def make(self, image):
        name = image.split(":")[0]
        if image == BASE:
            self.docker("import", "--change", 'CMD ["bash"]', base_archive(), BASE)
        elif name in DEBIAN:
            package, to, rest = DEBIAN[name]
            folder = self.folder / "build"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            shutil.copy(program(package), folder / to)
            shutil.copy(program("busybox"), folder / "wget")
            # Debian keeps Alertmanager's own templates there, without which it does not start.
            shutil.copytree("/usr/share/prometheus", folder / "share", ignore=shutil.ignore_patterns("web"), symlinks=True)
            self.build(image, folder, f"FROM {BASE}\nCOPY {to} /bin/{to}\nCOPY wget /usr/bin/wget\nCOPY share /usr/share/prometheus\n{rest}\nUSER 65534\nENTRYPOINT [\"/bin/{to}\"]\n")
        else:
            fail(f"no registry, and no stand-in for {image}")

    def make_exporter(self, binary):
        """The last stage of the Dockerfile as it stands, on files that were not built in the first."""
        stage = "FROM " + (ROOT / "exporter/Dockerfile").read_text().split("\nFROM ")[-1]
        folder = self.folder / "build"
        shutil.rmtree(folder, ignore_errors=True)
        run(ROOT / "exporter/image_root.sh", binary, folder / "image")
        self.build("hostwarden:0.1.0", folder, stage.replace("--from=build ", "").replace(" /image/", " image/"))

    def build(self, tag, folder, dockerfile):
        (folder / "Dockerfile").write_text(dockerfile)
        self.docker("build", "--network", "none", "--tag", tag, folder)


def is_on_machine(image):
    """Whether the Docker of this machine, if there is one, has the image."""
    return subprocess.run([program("docker"), "image", "inspect", image], capture_output=True).returncode == 0


def base_archive():
    """Debian's minimal system as a tar archive; made once, kept in target/."""
    archive = ROOT / "target/tools/debian-bookworm.tar"
    if not archive.is_file():
        print("Making a minimal Debian by debootstrap, into target/tools (some minutes, once).", flush=True)
        root = archive.with_suffix(".root")
        shutil.rmtree(root, ignore_errors=True)
        archive.parent.mkdir(parents=True, exist_ok=True)
        run(program("debootstrap"), "--variant=minbase", "bookworm", root, timeout=900)
        run("tar", "--directory", root, "--create", "--file", archive.with_suffix(".new"), "--exclude=./var/cache/apt/archives/*.deb", ".")
        archive.with_suffix(".new").rename(archive)
        shutil.rmtree(root)
    return archive
