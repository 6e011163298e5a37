// Prints the count of a trigger, with libtally: count TRIGGER. To build: rustc count.rs

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};
use std::{env, process, ptr};

enum Handle {}

#[link(name = "tally")]
extern "C" {
    fn tally_open(tally: *mut *mut Handle, path: *const c_char) -> c_int;
    fn tally_count(tally: *mut Handle, trigger: *const c_char, count: *mut i64) -> c_int;
    fn tally_error_name(error: c_int) -> *const c_char;
    fn tally_error_message(tally: *const Handle) -> *const c_char;
    fn tally_close(tally: *mut Handle);
}

/// The count, or the name and the message of an error.
fn count(trigger: &str) -> Result<i64, String> {
    let trigger = CString::new(trigger).map_err(|_| "the name has a zero byte")?;
    let (mut handle, mut count) = (ptr::null_mut(), -1);
    unsafe {
        let mut error = tally_open(&mut handle, ptr::null()); // TALLY_SOCKET, or the default
        if error == 0 {
            error = tally_count(handle, trigger.as_ptr(), &mut count);
        }
        let text = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
        let message = format!("{}: {}", text(tally_error_name(error)), text(tally_error_message(handle)));
        tally_close(handle);
        if error < 0 { Err(message) } else { Ok(count) }
    }
}

fn main() {
    match count(&env::args().nth(1).unwrap_or("pending".into())) {
        Ok(count) => println!("{}", count),
        Err(message) => { eprintln!("{}", message); process::exit(1) }
    }
}
