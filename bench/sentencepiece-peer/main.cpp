// sentencepiece's BPE through its C++ interface, on one thread. Reads a command a line and answers each with a line:
//   train TEXT PREFIX VOCABULARY   trains a model, PREFIX.model            -> done
//   load MODEL TEXT                                                        -> done
//   encode                         the text of load, line by line, to ids  -> SECONDS TOKENS
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

void check(const sentencepiece::util::Status& status) {
  if (!status.ok()) {
    std::cerr << status.ToString() << std::endl;
    std::exit(1);
  }
}

void train(const std::string& text, const std::string& prefix, const std::string& vocabulary) {
  check(sentencepiece::SentencePieceTrainer::Train(
      "--input=" + text + " --model_prefix=" + prefix + " --vocab_size=" + vocabulary +
      " --model_type=bpe --byte_fallback=true --input_sentence_size=100000 --shuffle_input_sentence=true"
      " --max_sentence_length=8192 --minloglevel=2"));
}

long encode(const sentencepiece::SentencePieceProcessor& processor, const std::string& text) {
  std::vector<int> ids;
  long tokens = 0;
  for (std::size_t start = 0; start < text.size();) {
    auto end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    check(processor.Encode(absl::string_view(text.data() + start, end - start), &ids));
    tokens += static_cast<long>(ids.size());
    start = end + 1;
  }
  return tokens;
}

}  // namespace

int main() {
  sentencepiece::SentencePieceProcessor processor;
  std::string text;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, first, second, third;
    words >> command >> first >> second >> third;
    if (command == "train") {
      train(first, second, third);
      std::cout << "done" << std::endl;
    } else if (command == "load") {
      check(processor.Load(first));
      std::ifstream file(second, std::ios::binary);
      text.assign(std::istreambuf_iterator<char>(file), {});
      std::cout << "done" << std::endl;
    } else {
      const auto begin = std::chrono::steady_clock::now();
      const auto tokens = encode(processor, text);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      std::cout << time.count() << " " << tokens << std::endl;
    }
  }
}
