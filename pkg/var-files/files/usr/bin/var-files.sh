#!/bin/sh
# var-files.sh FROM TO: everything below FROM, below TO. A file or a link takes the place of what an earlier image put there; a folder
# that is there already stays as it is, with all that is in it.
set -eu
cd "$1"
find . -mindepth 1 | while IFS= read -r name; do
    place="$2/${name#./}"
    if [ -d "$name" ] && [ ! -L "$name" ]; then
        [ -d "$place" ] && continue
        mkdir "$place"
        chmod "$(stat -c %a "$name")" "$place"
    elif [ -d "$place" ] && [ ! -L "$place" ]; then
        echo "var-files: $place is a folder; the image's file of that name has no place" >&2
        exit 1
    else
        cp -a "$name" "$place.new-from-image"
        mv -f "$place.new-from-image" "$place"
    fi
done
