#!/bin/sh
# Lays out what the image holds beside Debian's base: the program, the authorities that HTTPS is checked against, nft, and the state's folder.
#
#   exporter/image_root.sh BINARY INTO
#
# INTO/root becomes the image's /, INTO/state its /var/lib. All times are SOURCE_DATE_EPOCH (0 without it), so that the same input makes the same layers.
set -eu

binary=$1 into=$2
root=$into/root
mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/hostwarden" "$root/etc/ssl/certs" "$into/state/hostwarden"
install -m 755 "$binary" "$root/usr/local/bin/hostwarden"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

# nft for the UDP counters, with the libraries that the base image has not (it has those of glibc).
nft=$(PATH="$PATH:/usr/sbin:/sbin" command -v nft)
install -m 755 "$nft" "$root/usr/local/lib/hostwarden/nft"
ldd "$nft" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -Ev '/(libc|libm|libdl|libpthread|librt|libresolv)\.so' | while read -r library; do
    install -m 644 "$library" "$root/usr/local/lib/hostwarden/"
done
# They are found by nft alone.
printf '#!/bin/sh\nLD_LIBRARY_PATH=/usr/local/lib/hostwarden exec /usr/local/lib/hostwarden/nft "$@"\n' >"$root/usr/local/bin/nft"
chmod 755 "$root/usr/local/bin/nft"

# Of one group, so that the exporter of the UDP counters, which is root without rights, can write there too.
chmod 770 "$into/state/hostwarden"
find "$into" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
