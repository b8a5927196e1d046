#!/bin/sh
# Puts the ONNX Runtime library for linux/x64 where the worker looks for it: .cache/onnxruntime/libonnxruntime.so.1 under
# the root of the module, or under the directory given as the first argument.
#
# It comes from the npm package of the ONNX Runtime project, through the npm client as it is configured here. The digest
# is that of the library itself, so it holds whatever registry or mirror has served the package.
set -eu

package=onnxruntime-node
version=1.30.0
member=package/bin/napi-v6/linux/x64/libonnxruntime.so.1
digest=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23

fail() {
	echo "onnxruntime.sh: $*" >&2
	exit 1
}

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

root=${1:-$(cd "$(dirname "$0")/../.." && pwd)}
target=$root/.cache/onnxruntime/libonnxruntime.so.1

platform=$(uname -s)/$(uname -m)
[ "$platform" = Linux/x86_64 ] || fail "$package $version is known to serve Linux/x86_64 only, and this is $platform:" \
	"install ONNX Runtime $version by other means and name the library in SHAKETABLE_ONNXRUNTIME"

if [ -f "$target" ] && [ "$(sum "$target")" = "$digest" ]; then
	echo "ONNX Runtime $version is at $target"
	exit 0
fi

command -v npm >/dev/null || fail "npm is missing, which fetches $package $version: install Node.js with npm, or name a library" \
	"that is already there in SHAKETABLE_ONNXRUNTIME"

mkdir -p "$(dirname "$target")"
# On the same file system as the target, so that the last step is one atomic rename.
work=$(mktemp -d "$(dirname "$target")/install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

(cd "$work" && npm pack --silent "$package@$version" >name) ||
	fail "npm could not fetch $package@$version (its message is above): check the network and \`npm config get registry\`"
tar -xzf "$work/$(tail -n 1 "$work/name")" -C "$work" "$member" ||
	fail "$package@$version holds no $member: the package was laid out anew"
got=$(sum "$work/$member")
[ "$got" = "$digest" ] ||
	fail "the library of $package@$version has the digest $got, not $digest: what was served is not the published package; nothing was installed"
chmod 0755 "$work/$member"
mv -f "$work/$member" "$target"
echo "ONNX Runtime $version was installed at $target"
