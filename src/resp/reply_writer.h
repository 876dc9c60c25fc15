// resp/reply_writer.h: replies as bytes, in the protocol version the client speaks.
//
// One method a type of RESP3; for a RESP2 client it writes what Redis 7 writes instead (a map as
// a flat array, a double as a bulk string, a null as $-1 or *-1, and so on). The writer appends
// to its buffer and keeps no state of its own: whoever opens an array of n writes n replies.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <string>

#include "base/shared_bytes.h"
#include "base/slice.h"
#include "resp/output_buffer.h"

namespace varve {

class ReplyWriter {
 public:
  ReplyWriter(OutputBuffer& out, int resp_version) : out_(out), resp3_(resp_version == 3) {}

  void Ok() { out_.Append("+OK\r\n"); }
  void SimpleString(Slice text);  // without CR and LF
  // `text` is the whole line, its code first: "ERR syntax error". CR and LF become spaces.
  void Error(Slice text);
  void Integer(int64_t value);
  void Bulk(Slice bytes);
  // Large values are held, not copied.
  void Bulk(const SharedBytes& bytes);
  void Null();       // $-1 in RESP2
  void NullArray();  // *-1 in RESP2
  void Double(double value);
  void Bool(bool value);  // :1 or :0 in RESP2
  void BigNumber(Slice digits);
  // `format` has three letters, such as "txt".
  void Verbatim(Slice format, Slice text);

  void Array(size_t n);
  void Map(size_t pairs);
  void Set(size_t n);
  void Push(size_t n);
  // RESP2 has no attributes: REQUIRES: resp3(). Whoever has one to tell asks first, and writes
  // its pairs.
  void Attribute(size_t pairs);

  // A double as a bulk string in either version, as Redis 7.0 prints it: %.17g, so 0.1 is
  // "0.10000000000000001"; "inf", "-inf", "nan".
  void BulkDouble(double value);

  // Already encoded, such as a shared constant.
  void Raw(Slice bytes) { out_.Append(bytes); }

  bool resp3() const { return resp3_; }
  OutputBuffer& out() { return out_; }

 private:
  void Header(char type, int64_t n);
  void Line(char type, Slice text);

  OutputBuffer& out_;
  bool resp3_;
};

}  // namespace varve
