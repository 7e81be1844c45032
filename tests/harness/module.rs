//! Kernel modules that come and go, in a virtual machine of our own.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

use crate::patience::wait_for;

/// Where a guest keeps the modules of its kernel.
const FOLDER: &str = "/modules";

/// Modules that were taken out; they come back with the end of this guard at the latest.
pub struct Unloaded {
    /// In the order they must be inserted.
    files: Vec<PathBuf>,
}

impl Unloaded {
    /// Takes out what is loaded of these; each stands before those it depends on.
    pub fn all_of(names: &[&str]) -> Self {
        let mut unloaded = Self { files: Vec::new() };
        for name in names.iter().filter(|name| remove(name)) {
            unloaded.files.insert(0, file(name));
        }
        unloaded
    }

    /// Something was taken out: this kernel has it as a module.
    pub fn is_something(&self) -> bool {
        !self.files.is_empty()
    }

    /// Puts them in again.
    pub fn load(mut self) {
        self.insert();
    }

    fn insert(&mut self) {
        for file in std::mem::take(&mut self.files) {
            insert(&file)
                .unwrap_or_else(|error| panic!("cannot insert {}: {error}", file.display()));
        }
    }
}

impl Drop for Unloaded {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = insert(file);
        }
    }
}

/// Puts one module into the running kernel.
pub fn insert(file: &Path) -> Result<(), String> {
    let open = File::open(file).map_err(|error| error.to_string())?;
    match finit_module(open, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.ko"))
}

/// False when it is built in or not there. Namespaces that have just ended hold it for a while.
fn remove(name: &str) -> bool {
    if !file(name).exists() {
        return false;
    }
    wait_for("a module to be free", || try_to_remove(name))
}

fn try_to_remove(name: &str) -> Option<bool> {
    let name = std::ffi::CString::new(name).expect("names have no NUL");
    match delete_module(&name, DeleteModuleFlags::O_NONBLOCK) {
        Ok(()) => Some(true),
        Err(Errno::ENOENT) => Some(false),
        Err(Errno::EAGAIN | Errno::EBUSY) => None,
        Err(error) => panic!("cannot take out {name:?}: {error}"),
    }
}
