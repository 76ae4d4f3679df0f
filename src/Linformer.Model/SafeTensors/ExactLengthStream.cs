namespace Linformer.Model.SafeTensors;

/// <summary>Passes one tensor's bytes on, and holds its source to the number of bytes that the header promises.</summary>
internal sealed class ExactLengthStream(Stream inner, string tensor, long length) : Stream
{
    private long _written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => _written; set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length > length - _written)
        {
            throw new SafeTensorsException(
                $"Tensor '{tensor}': its source gives at least {_written + buffer.Length} bytes; type and shape ask for {length}.");
        }

        inner.Write(buffer);
        _written += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public void Finish()
    {
        if (_written != length)
        {
            throw new SafeTensorsException(
                $"Tensor '{tensor}': its source gives {_written} bytes; type and shape ask for {length}.");
        }
    }

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
